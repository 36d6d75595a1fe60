//! What all exporters share.

pub mod web;
