/** `@peculiar/x509` reads decorator metadata at import time: whoever imports it imports this before. */
import 'reflect-metadata';
