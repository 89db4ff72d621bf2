// SPDX-License-Identifier: Apache-2.0
//! `log`: level, format, fields, access log (registry.md 6.3, 6.4).

use std::collections::BTreeMap;

use crate::value::Secret;

choices! {
    /// How much is logged.
    pub enum LogLevel {
        /// Failures of the registry.
        Error = "error",
        /// Also what an operator should look at.
        Warn = "warn",
        /// Also what happened: one line for each request.
        Info = "info",
        /// Also how.
        Debug = "debug",
    }
}

choices! {
    /// The format of log lines.
    pub enum LogFormatter {
        /// `time="…" level=info msg="…" key=value`.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
        /// JSON with the fields that logstash expects.
        Logstash = "logstash",
    }
}

settings! {
    /// What is logged, and how. Lines go to standard error.
    pub struct Log {
        /// The log of requests.
        "accesslog" => access_log: AccessLog = "{}";
        /// The least severity that is logged. The old top-level key `loglevel` is honoured where
        /// this one is absent.
        "level" => level: LogLevel = "info"
            wrong "Invalid loglevel {} Must be one of [error, warn, info, debug]";
        /// The format of the lines.
        "formatter" => formatter: LogFormatter = "text"
            wrong "unsupported logging formatter: \"{}\"; expected one of [text, json, logstash]";
        /// Fields that are added to every line.
        "fields" => fields: BTreeMap<String, String> = "{}";
        /// Mail for log lines.
        "hooks" => hooks: Vec<LogHook> = "[]" ignored "log lines are not mailed";
        /// Whether lines name the source line that logs.
        "reportcaller" => report_caller: bool = "false" ignored "source lines are not logged";
    }
}

settings! {
    /// The log of requests.
    pub struct AccessLog {
        /// Whether requests are not logged.
        "disabled" => disabled: bool = "false";
    }
}

settings! {
    /// A hook that mails log lines.
    pub struct LogHook {
        /// Whether the hook is off.
        "disabled" => disabled: bool = "false";
        /// The kind of hook; the original knows `mail`.
        "type" => kind: String = "mail";
        /// The levels that trigger the hook.
        "levels" => levels: Vec<String> = "[]";
        /// How to mail.
        "options" => options: MailOptions = "{}";
    }
}

settings! {
    /// How to mail.
    pub struct MailOptions {
        /// A mail server.
        "smtp" => smtp: Smtp = "{}";
        /// The sender.
        "from" => from: String = "";
        /// The recipients.
        "to" => to: Vec<String> = "[]";
    }
}

settings! {
    /// A mail server.
    pub struct Smtp {
        /// Host and port.
        "addr" => addr: String = "";
        /// Login name.
        "username" => username: String = "";
        /// Password.
        "password" => password: Secret = "";
        /// Whether the server's certificate is not verified.
        "insecure" => insecure: bool = "false";
    }
}
