#![no_main]

mod family;

family!(PROCESSOR);
