"""What all that take something over HTTP share: a body is read up to a limit, and what is answered is a sentence."""

from __future__ import annotations

from fastapi import HTTPException, Request


async def content_of(request: Request, limit: int) -> bytes:
    """Read the body, of at most `limit` bytes. Raises HTTPException."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise HTTPException(413, f"The body must not be longer than {limit} bytes.")
    return content


def full_stop(text: str) -> str:
    """A sentence as it is shown."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
