import { openPglite } from '../../src/database/index.ts';
import { databaseContract } from './database.ts';

databaseContract('pglite in memory', () => openPglite({ memory: true }), 1);
