//! Building: mounts and channels with their callbacks, from which hubs, endpoints and servers are made.

use std::ffi::{c_char, c_void};

use chanson_core::hub::Builder;
use chanson_core::{Channel, Hub, Mount};

use crate::app::App;
use crate::callback::{self, User, chanson_on_event};
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::{
    chanson_channel_config, chanson_channel_config_default, chanson_config, chanson_config_default,
    chanson_mount_config, chanson_mount_config_default, read_sized,
};
use crate::handle::{self, Opaque, enter, put};
use crate::text::c_text;

/// Mounts and channels, from which any number of hubs, endpoints and servers can be made. They copy what they need: it can be
/// freed as soon as they are there. The callbacks and user pointers must be good for as long as what was made of it lives.
pub struct chanson_builder {
    _opaque: [u8; 0],
}

impl Opaque for chanson_builder {
    type Inner = Plan;
    const KIND: u64 = 0x0043_6862_7569_6c64;
}

/// What is behind a builder.
pub(crate) struct Plan {
    config: chanson_config,
    seed: Option<[u8; 32]>,
    metrics: Option<String>,
    mounts: Vec<MountPlan>,
    channels: Vec<Channel<App>>,
}

struct MountPlan {
    config: chanson_mount_config,
    path: String,
    origins: Option<String>,
    channels: Vec<u32>,
}

/// A builder; free it with `chanson_builder_free`. `config` may be NULL for the defaults, and is copied. NULL when `config` has
/// no size, or a path that is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_new(config: *const chanson_config) -> *mut chanson_builder {
    let mut builder = std::ptr::null_mut();
    handle::guard(|| {
        let mut given = chanson_config_default();
        if !config.is_null() {
            // SAFETY: as the caller promises.
            given = unsafe { read_sized(config, given) }?;
        }
        // SAFETY: NULL or 32 bytes, as the header says.
        let seed = (!given.seed.is_null()).then(|| unsafe { given.seed.cast::<[u8; 32]>().read() });
        // SAFETY: NULL or NUL-terminated, as the header says.
        let metrics = (!given.metrics.is_null()).then(|| unsafe { c_text(given.metrics) }.map(str::to_owned));
        let metrics = metrics.transpose()?;
        builder = handle::make(Plan { config: given, seed, metrics, mounts: Vec::new(), channels: Vec::new() });
        Ok(())
    });
    builder
}

/// Frees a builder; what was made of it lives on. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_free(builder: *mut chanson_builder) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(builder) }
}

/// What was refused last and why, NUL-terminated, good until the next call on the builder: also of the functions that make
/// something of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_error(builder: *const chanson_builder) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { handle::detail(builder, &[chanson_builder::KIND]) }
}

/// Adds a mount; `*mount` (may be NULL) is its number for `chanson_builder_serve`. Of several that match a path, the one added
/// first serves it; two of the same path are refused when something is made of the builder. Everything is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_mount(
    builder: *mut chanson_builder,
    config: *const chanson_mount_config,
    mount: *mut u32,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            let config = read_sized(config, chanson_mount_config_default())?;
            if !config.is_possible() {
                return Err(Refusal::new(CHANSON_ERR_NOT_ALLOWED, "this library was built without compression"));
            }
            let path = c_text(config.path)?.to_owned();
            let origins = match config.origins.is_null() {
                true => None,
                false => Some(c_text(config.origins)?.to_owned()),
            };
            if plan.mounts.len() >= MOST {
                return Err(CHANSON_ERR_FULL.into());
            }
            if !mount.is_null() {
                put(mount, plan.mounts.len() as u32)?;
            }
            plan.mounts.push(MountPlan { config, path, origins, channels: Vec::new() });
            Ok(())
        })
    }
}

/// Adds a channel; `*channel` (may be NULL) is its number for `chanson_builder_on` and `chanson_builder_serve`. It is served by
/// no mount yet. Everything is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_channel(
    builder: *mut chanson_builder,
    config: *const chanson_channel_config,
    channel: *mut u32,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            let config = read_sized(config, chanson_channel_config_default())?;
            let user = User(config.user);
            let mut made = Channel::new(c_text(config.pattern)?);
            if let Some(on_join) = config.on_join {
                made = made.join(callback::join(on_join, user));
            }
            if let Some(on_leave) = config.on_leave {
                made = made.leave(callback::leave(on_leave, user));
            }
            if let Some(on_event) = config.on_event {
                made = made.on_any(callback::event(on_event, user));
            }
            if plan.channels.len() >= MOST {
                return Err(CHANSON_ERR_FULL.into());
            }
            if !channel.is_null() {
                put(channel, plan.channels.len() as u32)?;
            }
            plan.channels.push(made);
            Ok(())
        })
    }
}

/// Has `on_event` handle one event of a channel, NUL-terminated, copied; a second callback for the same event replaces the
/// first. `CHANSON_ERR_NOT_FOUND` when there is no such channel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_on(
    builder: *mut chanson_builder,
    channel: u32,
    event: *const c_char,
    on_event: chanson_on_event,
    user: *mut c_void,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            let (event, on_event) = (c_text(event)?, on_event.ok_or(CHANSON_ERR_NULL)?);
            let channel = plan.channels.get_mut(channel as usize).ok_or(CHANSON_ERR_NOT_FOUND)?;
            *channel = channel.clone().on(event, callback::event(on_event, User(user)));
            Ok(())
        })
    }
}

/// Has a mount serve a channel, behind those that it serves already: of several whose patterns match a topic, the one added
/// first does. One channel may be served by several mounts. `CHANSON_ERR_NOT_FOUND` when there is no such mount or channel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_builder_serve(
    builder: *mut chanson_builder,
    mount: u32,
    channel: u32,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            let mount = plan.mounts.get_mut(mount as usize).ok_or(CHANSON_ERR_NOT_FOUND)?;
            if channel as usize >= plan.channels.len() {
                return Err(CHANSON_ERR_NOT_FOUND.into());
            }
            if mount.channels.len() >= MOST {
                return Err(CHANSON_ERR_FULL.into());
            }
            mount.channels.push(channel);
            Ok(())
        })
    }
}

/// As many as a hub can have.
const MOST: usize = u16::MAX as usize;

impl Plan {
    /// The hub's builder, with a seed.
    pub(crate) fn builder(&self) -> Result<Builder<App>, Refusal> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(|error| Refusal::new(CHANSON_ERR_IO, error))?;
                seed
            }
        };
        let mut builder = Hub::builder().capacity(self.config.capacity()).seed(seed);
        let user = User(self.config.user);
        if let Some(on_request) = self.config.on_request {
            builder = builder.on_request(callback::request(on_request, user));
        }
        if let Some(on_fault) = self.config.on_fault {
            builder = builder.on_fault(callback::fault(on_fault, user));
        }
        if let Some(on_log) = self.config.on_log {
            builder = builder.on_log(callback::log(on_log, user));
        }
        if let Some(path) = &self.metrics {
            builder = builder.metrics(path);
        }
        Ok(self.mounts.iter().fold(builder, |builder, mount| builder.mount(self.mount(mount))))
    }

    /// The hub.
    pub(crate) fn hub(&self) -> Result<Hub<App>, Refusal> {
        self.builder()?.build().map_err(|error| Refusal::new(CHANSON_ERR_BUILD, error))
    }

    fn mount(&self, plan: &MountPlan) -> Mount<App> {
        let (config, user) = (&plan.config, User(plan.config.user));
        let mount = if config.raw { Mount::raw(&plan.path) } else { Mount::channels(&plan.path) };
        let mut mount = config.limits(mount, plan.origins.as_deref());
        if let Some(on_connect) = config.on_connect {
            mount = mount.on_connect(callback::connect(on_connect, user));
        }
        if let Some(on_open) = config.on_open {
            mount = mount.on_open(callback::open(on_open, user));
        }
        if let Some(on_message) = config.on_message {
            mount = mount.on_text(callback::text(on_message, user)).on_binary(callback::binary(on_message, user));
        }
        if let Some(on_close) = config.on_close {
            mount = mount.on_close(callback::close(on_close, user));
        }
        let channels = plan.channels.iter().filter_map(|channel| self.channels.get(*channel as usize));
        channels.fold(mount, |mount, channel| mount.channel(channel.clone()))
    }
}
