/**
 * `@peculiar/x509` resolves its algorithms through decorator metadata and throws at import time unless this ran first.
 * A module of its own, because ES modules run in import order: every file that imports the library imports this before.
 */
import 'reflect-metadata';
