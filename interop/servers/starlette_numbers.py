"""Numbered events by sse-starlette, on uvicorn: `python starlette_numbers.py PORT`.

Not more than `?burst=` on one connection.
"""

import asyncio
import sys

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.routing import Route

CONTENTS = ["hello", "γειά σου", "こんにちは", "🚀 two\nlines"]


async def numbers(n, burst):
    last = n + burst
    while True:
        if n == last:
            await asyncio.sleep(0.005)
            continue
        n += 1
        data = f"{n} {CONTENTS[n % len(CONTENTS)]}"
        yield ServerSentEvent(data, id=str(n), event="tick", retry=100)
        await asyncio.sleep(0.005)


async def sse(request):
    last = request.headers.get("last-event-id") or "0"
    burst = float(request.query_params.get("burst", "inf"))
    return EventSourceResponse(numbers(int(last), burst), ping=1)


app = Starlette(routes=[Route("/sse", sse)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
