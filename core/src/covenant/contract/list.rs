//! The list of all channels and procedures.

use std::fmt;

use super::traits::{Channel, Kind, Procedure};

/// The names of all channels and procedures, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    channels: Vec<&'static str>,
    procedures: Vec<(&'static str, Kind)>,
}

impl Contract {
    /// One of nothing.
    pub const fn new() -> Self {
        Self { channels: Vec::new(), procedures: Vec::new() }
    }

    /// With this channel.
    ///
    /// # Errors
    /// There is a channel of this name, or the name is empty.
    pub fn channel<C: Channel>(mut self) -> Result<Self, ContractError> {
        check(C::NAME, self.has_channel(C::NAME))?;
        self.channels.push(C::NAME);
        Ok(self)
    }

    /// With this procedure.
    ///
    /// # Errors
    /// There is a procedure of this name, or the name is empty.
    pub fn procedure<P: Procedure>(mut self) -> Result<Self, ContractError> {
        check(P::NAME, self.procedure_kind(P::NAME).is_some())?;
        self.procedures.push((P::NAME, P::KIND));
        Ok(self)
    }

    /// Whether it has a channel of that name.
    pub fn has_channel(&self, name: &str) -> bool {
        self.channels.contains(&name)
    }

    /// The kind of the procedure of that name, if there is one.
    pub fn procedure_kind(&self, name: &str) -> Option<Kind> {
        self.procedures.iter().find(|(each, _)| *each == name).map(|(_, kind)| *kind)
    }

    /// The names of the channels, in the order in which they were added.
    pub fn channels(&self) -> impl Iterator<Item = &'static str> {
        self.channels.iter().copied()
    }

    /// The procedures, in the order in which they were added.
    pub fn procedures(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.procedures.iter().copied()
    }
}

const fn check(name: &'static str, known: bool) -> Result<(), ContractError> {
    match name.is_empty() {
        true => Err(ContractError::Unnamed),
        false if known => Err(ContractError::Twice(name)),
        false => Ok(()),
    }
}

/// Why a channel or a procedure cannot stand in a contract, or not be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContractError {
    /// Its name is empty.
    Unnamed,
    /// There is one of this name already.
    Twice(&'static str),
    /// The contract has none of this name.
    NotDeclared(&'static str),
    /// The contract has a channel of this name that was not defined.
    ChannelNotDefined(&'static str),
    /// The contract has a procedure of this name that was not defined.
    ProcedureNotDefined(&'static str),
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("a channel or a procedure has no name"),
            Self::Twice(name) => write!(f, "Tried to define {name} twice!"),
            Self::NotDeclared(name) => write!(f, "{name} is not in the contract"),
            Self::ChannelNotDefined(name) => write!(f, "Channel {name} was not defined"),
            Self::ProcedureNotDefined(name) => write!(f, "Procedure {name} was not defined"),
        }
    }
}

impl std::error::Error for ContractError {}
