"""A node's configuration: plan, one emitter a runtime, apply, undo, overlay, doctor, hosts."""
