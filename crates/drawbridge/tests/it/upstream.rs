//! Any MCP server behind the gateway, through the doors: `upstream/server.py`, honest or not.

mod add;
mod answers;
mod asks;
mod authorized;
mod effects;
mod halted;
mod native;
mod offered;
mod older;
mod pins;
mod plain;
mod previews;
mod resources;
mod results;
mod secrets;
pub(crate) mod setup;
mod stopped;
mod ways;
