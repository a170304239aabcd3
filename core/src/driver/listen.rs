//! Listening at an address.

use std::io;
use std::net::SocketAddr;

/// Listens at the first of the addresses that can be had; `listen` asks the operating system. For servers that take an address
/// to listen at.
///
/// # Errors
/// There are no addresses, or none can be had: then what the operating system said of the last one, as
/// `cannot listen on 127.0.0.1:4000: Address already in use (os error 98)`, and of the same kind.
pub fn listen<T>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    mut listen: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: [SocketAddr; 2] = [address(1), address(2)];

    const fn address(port: u16) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
    }

    #[test]
    fn the_first_that_can_be_had_is_taken() {
        let taken = |addr: SocketAddr| if addr.port() == 1 { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(addr) };
        assert_eq!(listen(TWO, taken).unwrap(), TWO[1]);
        assert_eq!(listen(TWO, Ok).unwrap(), TWO[0]);
    }

    #[test]
    fn an_error_names_the_address() {
        let error = listen(TWO, |_| Err::<(), _>(io::ErrorKind::AddrInUse.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:2: address in use");
        let none = listen([], Ok).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::InvalidInput);
    }
}
