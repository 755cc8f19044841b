//! Tests of the file beside.
