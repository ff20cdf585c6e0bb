//! The proxy at work under its operators: reloads under load, an outage of everything around it,
//! secrets and hostile names in all that it shows, and a console under attack.

mod attack;
mod hostile;
mod outage;
mod reloads;
mod secrets;
