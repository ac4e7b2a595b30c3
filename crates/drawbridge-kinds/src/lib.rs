//! drawbridge-kinds
