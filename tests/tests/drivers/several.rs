//! The event loop with several threads, as a driver that is always asked for so many.

macro_rules! several {
    ($name:ident $count:literal) => {
        pub(crate) mod $name {
            use std::io;
            use std::net::ToSocketAddrs;

            use chanson_core::driver::IntoHub;
            pub(crate) use chanson_mio::{Config, HandleError, Running};

            /// Makes servers of the driver's.
            pub(crate) struct Server;

            impl Server {
                pub(crate) fn bind<S>(
                    addr: impl ToSocketAddrs,
                    hub: impl IntoHub<S>,
                ) -> io::Result<chanson_mio::Server<S>> {
                    Self::bind_with(addr, hub, Config::default())
                }

                pub(crate) fn bind_with<S>(
                    addr: impl ToSocketAddrs,
                    hub: impl IntoHub<S>,
                    config: Config,
                ) -> io::Result<chanson_mio::Server<S>> {
                    chanson_mio::Server::bind_with(addr, hub, config.with_threads($count))
                }
            }
        }
    };
}

several! { two 2 }
several! { three 3 }
