//! Doors: other APIs than our own, one module each. What their clients say becomes the same
//! submission, and what they are told comes from the same job; nothing behind them knows them.

pub(super) mod mcp;
