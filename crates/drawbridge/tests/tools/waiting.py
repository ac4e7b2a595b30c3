"""Calls a tool that a person must approve, by a real MCP client, and prints what an AI gets in the end.

    waiting.py page|words  < {"url", "token", "tool", "arguments"}

`page`: the client opens pages for its person (URL elicitation). `words`: it does not, and asks
`drawbridge_result` as the answer told it to.
"""

import asyncio
import json
import sys


async def main():
    import mcp.types as types
    from mcp.client import Client
    from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

    way, asked = sys.argv[1], json.load(sys.stdin)
    opened = []

    async def open_page(context, params):
        opened.append(params.url)
        return types.ElicitResult(action="accept")

    head = {"Authorization": f"Bearer {asked['token']}"}
    more = {"elicitation_callback": open_page} if way == "page" else {}
    async with create_mcp_http_client(headers=head) as http:
        transport = streamable_http_client(asked["url"], http_client=http)
        async with Client(transport, mode="auto", **more) as client:
            result = await client.call_tool(asked["tool"], asked["arguments"])
            first = result.structured_content
            while way == "words" and result.structured_content["status"] == "approval_needed":
                await asyncio.sleep(0.2)
                plan = result.structured_content["plan"]["id"]
                result = await client.call_tool("drawbridge_result", {"id": plan})
            text = "".join(block.text for block in result.content if block.type == "text")
            told = {"opened": opened, "first": first, "structured": result.structured_content, "text": text}
            print(json.dumps(told))


asyncio.run(main())
