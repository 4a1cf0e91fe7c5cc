//! A head whose disk is full.
