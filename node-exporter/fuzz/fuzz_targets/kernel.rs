#![no_main]

mod family;

family!(KERNEL);
