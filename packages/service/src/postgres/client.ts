/** The driver's client, with what the pool does not give: ending it at once, and knowing whether it is of use. */
import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';

export class PostgresClient extends Client {
  readonly #socket: Socket;
  /** Lost, or about to be: not for another holder. */
  broken = false;

  constructor(config: ClientConfig = {}) {
    const socket = new Socket();
    // The pool hides the password from those who list properties, so from the spread too.
    super({ ...config, password: config.password, stream: () => socket });
    this.#socket = socket;
    if (config.ssl === false) this.#refuseToSayPassword();
    // Whoever waits for a statement is told by its rejection; between statements, the pool lets go of it.
    this.on('error', () => {
      this.broken = true;
    });
    this.on('end', () => {
      this.broken = true;
    });
  }

  /** Without TLS, whoever is at the other end could ask for it; SCRAM proves that we have it and shows nothing. */
  #refuseToSayPassword(): void {
    for (const demand of ['authenticationCleartextPassword', 'authenticationMD5Password']) {
      // Before the driver's own listener, whose answer then finds no connection.
      this.connection.prependListener(demand, () => {
        this.broken = true;
        this.#socket.destroy(
          new Error('the server asks for the password itself; without TLS only SCRAM is used'),
        );
      });
    }
  }

  /** Breaks the connection off without a word to the server, which may be paused or out of reach. */
  abort(): void {
    this.broken = true;
    this.#socket.destroy();
  }
}
