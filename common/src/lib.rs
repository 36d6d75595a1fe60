//! What all exporters of the suite share. Each module's header says what it is for.

pub mod exposition;
