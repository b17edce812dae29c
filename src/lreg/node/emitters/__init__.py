"""One emitter a runtime: the files of a plan, and what is known of the runtime."""
