#![no_main]

mod family;

family!(HARDWARE);
