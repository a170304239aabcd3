//! TLS with certificates in files, which are read again when they have changed.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, SystemTime};

use chanson_core::tls::{Acceptor, Connector, Error, Identity};
use chanson_mio::Config;
use chanson_std::http;

/// The files of the certificate chain and of its key.
pub(crate) type Files = [String; 2];

/// A server with these certificates, and with those that take their place later.
///
/// # Errors
/// They cannot be read or make no sense; the system has no thread to give.
pub(crate) fn secure(config: Config, files: &Files) -> io::Result<Config> {
    let before = written(files);
    let acceptor = Acceptor::new([identity(files)?])?;
    let (renewed, files) = (acceptor.clone(), files.clone());
    // It ends with the program.
    thread::Builder::new().name("certificates".into()).spawn(move || renew(&renewed, &files, before))?;
    Ok(config.with_tls(acceptor))
}

/// A caller that trusts the authorities of that file.
///
/// # Errors
/// It cannot be read or makes no sense.
pub(crate) fn trust(config: http::Config, ca: &str) -> io::Result<http::Config> {
    Ok(config.with_tls(Connector::with_ca_file(ca)?))
}

fn renew(acceptor: &Acceptor, files: &Files, mut before: Written) -> ! {
    loop {
        thread::sleep(LOOK);
        let now = written(files);
        // One that is gone is about to be replaced.
        if now == before || now.contains(&None) {
            continue;
        }
        before = now;
        match identity(files).and_then(|identity| acceptor.set([identity])) {
            Ok(()) => eprintln!("the certificate was renewed"),
            // When the other file has changed too it is tried again.
            Err(error) => eprintln!("the certificate was not renewed: {error}"),
        }
    }
}

fn identity([cert, key]: &Files) -> Result<Identity, Error> {
    Identity::from_files(cert, key)
}

type Written = [Option<SystemTime>; 2];

/// When each was written.
fn written(files: &Files) -> Written {
    files.each_ref().map(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
