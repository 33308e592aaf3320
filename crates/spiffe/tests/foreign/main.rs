//! Clients and validators that others wrote, against a real socket: go-spiffe, Envoy, OpenSSL and GnuTLS.

mod envoy;
mod go_spiffe;
mod house;
mod validators;
