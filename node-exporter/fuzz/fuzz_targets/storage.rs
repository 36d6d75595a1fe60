#![no_main]

mod family;

family!(STORAGE);
