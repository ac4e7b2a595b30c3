"""Asks a gateway by a real MCP client and prints what an AI would get, as one JSON object.

    client.py mcp|fastmcp auto|legacy  < {"url", "token"} or {"command": [...]}, and {"calls": [[tool, arguments]]}

With {"until": [tool, arguments, text]} it first repeats that call until the answer holds the text.
"""

import asyncio
import contextlib
import json
import sys


@contextlib.asynccontextmanager
async def plain(asked, mode):
    """The client of the official SDK."""
    from mcp import StdioServerParameters
    from mcp.client import Client
    from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

    if "command" in asked:
        program, *arguments = asked["command"]
        server = StdioServerParameters(command=program, args=arguments)
        async with Client(server, mode=mode) as client:
            yield client
        return
    head = {"Authorization": f"Bearer {asked['token']}"}
    async with create_mcp_http_client(headers=head) as http:
        async with Client(streamable_http_client(asked["url"], http_client=http), mode=mode) as client:
            yield client


@contextlib.asynccontextmanager
async def fast(asked, mode):
    """fastmcp's client."""
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

    if "command" in asked:
        program, *arguments = asked["command"]
        way = StdioTransport(program, arguments)
    else:
        way = StreamableHttpTransport(asked["url"], auth=asked["token"])
    async with Client(way, mode=mode) as client:
        yield client


async def call(library, client, tool, arguments):
    if library == "fastmcp":
        result = await client.call_tool(tool, arguments, raise_on_error=False)
    else:
        result = await client.call_tool(tool, arguments)
    error = getattr(result, "is_error", None)
    structured = getattr(result, "structured_content", None)
    text = "".join(block.text for block in result.content if block.type == "text")
    return {"error": error, "text": text, "structured": structured}


async def until(library, client, tool, arguments, text):
    for _ in range(300):
        if text in (await call(library, client, tool, arguments))["text"]:
            return
        await asyncio.sleep(0.1)
    sys.exit(f"{tool} never answered with {text}")


async def ask(library, mode, asked):
    way = fast if library == "fastmcp" else plain
    async with way(asked, mode) as client:
        listed = await client.list_tools()
        tools = getattr(listed, "tools", listed)
        told = {"tools": [tool.model_dump(mode="json", by_alias=True) for tool in tools]}
        revision = getattr(client, "protocol_version", None)
        told["revision"] = revision() if callable(revision) else revision
        if "until" in asked:
            await until(library, client, *asked["until"])
        told["answers"] = [await call(library, client, *one) for one in asked["calls"]]
        return told


library, mode = sys.argv[1:]
print(json.dumps(asyncio.run(ask(library, mode, json.load(sys.stdin)))))
