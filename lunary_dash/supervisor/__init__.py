"""Starts and keeps alive everything one machine needs: PostgreSQL, Valkey, web, worker, beat. Imports no Django."""
