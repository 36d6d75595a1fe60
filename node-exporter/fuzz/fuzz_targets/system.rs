#![no_main]

mod family;

family!(SYSTEM);
