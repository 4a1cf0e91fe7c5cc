//! The pitfalls of log stores that others fell into, one test each, and openraft's conformance
//! suite.
