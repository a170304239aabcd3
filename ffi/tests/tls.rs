//! TLS through the C functions: a server, a client, and what is refused.

mod world;

use std::ptr::null_mut;
#[cfg(feature = "tls")]
use std::{
    ffi::{CString, c_void},
    ptr::null,
    time::{Duration, Instant},
};

use chanson::chanson_code::*;
use chanson::*;
#[cfg(feature = "tls")]
use world::*;

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_it_is_refused_by_name() {
    unsafe {
        let mut acceptor = std::ptr::dangling_mut();
        assert_eq!(chanson_acceptor_new(&mut acceptor), CHANSON_ERR_NOT_ALLOWED);
        assert!(acceptor.is_null());
        let mut client = null_mut();
        let config = chanson_client_config {
            url: c"wss://localhost/socket".as_ptr(),
            danger_accept_invalid_certs: true,
            ..chanson_client_config_default()
        };
        assert_eq!(chanson_client_new(&config, &mut client), CHANSON_ERR_NOT_ALLOWED);
    }
}

#[cfg(feature = "tls")]
mod with {
    use super::*;

    struct Pem {
        chain: String,
        key: String,
    }

    fn pem() -> Pem {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Pem { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn identity(chain: &str, key: &str) -> chanson_identity {
        chanson_identity { chain_file: null(), key_file: null(), chain_pem: text(chain), key_pem: text(key) }
    }

    unsafe extern "C" fn note(_: *mut chanson_client, event: *const chanson_client_event, seen: *mut c_void) {
        unsafe { user::<Vec<(i32, i32)>>(seen).push(((*event).kind, (*event).reason)) };
    }

    #[test]
    fn a_client_talks_to_a_server_that_it_trusts() {
        let pem = pem();
        unsafe {
            let mut acceptor = null_mut();
            assert_eq!(chanson_acceptor_new(&mut acceptor), OK);
            assert_eq!(chanson_acceptor_set(acceptor, &identity(&pem.chain, &pem.key), 1), OK);
            let mut channel = chanson_channel_config_default();
            channel.pattern = c"room:*".as_ptr();
            let builder = builder(&[chanson_mount_config_default()], &channel);
            let endpoint = chanson_endpoint_config { acceptor, ..chanson_endpoint_config_default() };
            let config = chanson_server_config { endpoint: &endpoint, ..chanson_server_config_default() };
            let mut server = null_mut();
            assert_eq!(chanson_server_bind(builder, c"127.0.0.1:0".as_ptr(), &config, &mut server), OK);
            chanson_builder_free(builder);
            chanson_acceptor_free(acceptor);

            let url = CString::new(format!("wss://localhost:{}/socket", chanson_server_port(server))).expect("no NUL");
            let other = self::pem();
            let connected = chanson_client_event_kind::CHANSON_CLIENT_CONNECTED as i32;
            let failed = chanson_client_event_kind::CHANSON_CLIENT_CONNECT_FAILED as i32;
            let tls = chanson_client_reason::CHANSON_REASON_TLS as i32;
            for (ca, expected) in [(&pem.chain, (connected, 0)), (&other.chain, (failed, tls))] {
                let mut seen: Vec<(i32, i32)> = Vec::new();
                let config = chanson_client_config {
                    url: url.as_ptr(),
                    ca_pem: text(ca),
                    on_event: Some(note),
                    user: pointer(&mut seen),
                    ..chanson_client_config_default()
                };
                let mut client = null_mut();
                assert_eq!(chanson_client_new(&config, &mut client), OK);
                let end = Instant::now() + Duration::from_secs(60);
                while user::<Vec<(i32, i32)>>(pointer(&mut seen)).is_empty() {
                    assert!(Instant::now() < end, "nothing happens");
                    assert_eq!(chanson_server_poll(server, 1), OK);
                    assert_eq!(chanson_client_poll(client, 1), OK);
                }
                assert_eq!(seen[0], expected);
                chanson_client_free(client);
            }
            let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..Default::default() };
            let end = Instant::now() + Duration::from_secs(60);
            while (stats.tls_handshaking, stats.tls_handshakes, stats.tls_failures) != (0, 1, 1) {
                assert!(Instant::now() < end, "{stats:?}");
                assert_eq!(chanson_server_poll(server, 1), OK);
                assert_eq!(chanson_hub_stats(chanson_server_hub(server), &mut stats), OK);
            }
            chanson_server_free(server);
        }
    }

    #[test]
    fn identities_come_from_files_too_and_may_change() {
        let (first, second) = (pem(), pem());
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = [&first.chain, &first.key].map(|text| {
            let file = folder.join(if text.contains("PRIVATE") { "key.pem" } else { "chain.pem" });
            std::fs::write(&file, text).expect("a file is written");
            CString::new(file.to_str().expect("UTF-8")).expect("no NUL")
        });
        unsafe {
            let mut acceptor = null_mut();
            assert_eq!(chanson_acceptor_new(&mut acceptor), OK);
            let both = [
                chanson_identity {
                    chain_file: files[0].as_ptr(),
                    key_file: files[1].as_ptr(),
                    ..identity("not looked at", "where there is a file")
                },
                identity(&second.chain, &second.key),
            ];
            assert_eq!(chanson_acceptor_set(acceptor, both.as_ptr(), 2), OK);
            // The files are read once.
            std::fs::remove_dir_all(&folder).expect("the folder goes");
            assert_eq!(chanson_acceptor_set(acceptor, both.as_ptr(), 1), CHANSON_ERR_IO);
            assert_eq!(chanson_acceptor_set(acceptor, &both[1], 1), OK);
            chanson_acceptor_free(acceptor);
        }
    }

    #[test]
    fn what_is_wrong_with_an_identity_is_said() {
        let (pem, other) = (pem(), pem());
        unsafe {
            let mut acceptor = null_mut();
            assert_eq!(chanson_acceptor_new(&mut acceptor), OK);
            assert_eq!(chanson_acceptor_set(acceptor, null(), 0), CHANSON_ERR_ARGUMENT);
            assert_eq!(chanson_acceptor_set(acceptor, &identity(&pem.chain, &other.key), 1), CHANSON_ERR_ARGUMENT);
            assert_eq!(read_c(chanson_acceptor_error(acceptor)), "the private key does not belong to the certificate");
            let nowhere =
                chanson_identity { chain_file: c"/nowhere/chain.pem".as_ptr(), ..identity(&pem.chain, &pem.key) };
            assert_eq!(chanson_acceptor_set(acceptor, &nowhere, 1), CHANSON_ERR_IO);
            assert!(read_c(chanson_acceptor_error(acceptor)).starts_with("/nowhere/chain.pem: "));

            // An acceptor that is nobody yet makes no server.
            let builder = builder(&[chanson_mount_config_default()], &chanson_channel_config_default());
            let config = chanson_endpoint_config { acceptor, ..chanson_endpoint_config_default() };
            let mut endpoint = null_mut();
            assert_eq!(chanson_endpoint_new(builder, &config, &mut endpoint), CHANSON_ERR_ARGUMENT);
            assert_eq!(read_c(chanson_builder_error(builder)), "the acceptor has no identity");
            chanson_builder_free(builder);
            chanson_acceptor_free(acceptor);
        }
    }
}
