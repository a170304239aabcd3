//! What stands on the command line.

use std::error::Error;

use chanson_std::client::Config;
use serde_json::{Value, json};

use crate::ca;

pub(crate) const USAGE: &str =
    "usage: cli ws[s]://HOST:PORT/PATH TOPIC [--name NAME] [--params JSON] [--param KEY=VALUE]… [--raw] [--ca FILE]";

pub(crate) struct Flags {
    pub(crate) config: Config,
    pub(crate) topic: String,
    /// What is joined with.
    pub(crate) params: Value,
    pub(crate) raw: bool,
}

impl Flags {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut names, mut connect, mut params, mut raw) = (Vec::new(), Vec::new(), json!({}), false);
        let mut ca = None;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                "--raw" => raw = true,
                "--name" => params = json!({ "name": value()? }),
                "--params" => params = serde_json::from_str(&value()?)?,
                "--ca" => ca = Some(value()?),
                "--param" => connect.push(value()?),
                flag if flag.starts_with("--") => return Err(format!("no such flag: {flag}").into()),
                _ => names.push(arg),
            }
        }
        let [url, topic] = <[String; 2]>::try_from(names).map_err(|_| "an address and a topic are needed")?;
        let mut config = Config::new(&url)?;
        for param in connect {
            let (name, value) = param.split_once('=').ok_or("--param needs KEY=VALUE")?;
            config = config.with_param(name, value);
        }
        if let Some(file) = ca {
            config = ca::with_ca(config, &file)?;
        }
        Ok(Self { config, topic, params, raw })
    }
}
