#![no_main]

mod family;

family!(NETWORK);
