#![no_main]

mod family;

family!(SERVICES);
