//! Processors, their clocks and their schedulers.
