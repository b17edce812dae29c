"""HTTP/1.1 for the data plane: a pure parser and an asyncio protocol, no registry in it."""
