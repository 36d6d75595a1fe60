#![no_main]

mod family;

family!(MEMORY);
