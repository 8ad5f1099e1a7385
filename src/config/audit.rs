//! What the audit log may take.

/// Flags of the audit log.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// Bytes of one file of the audit log
    #[arg(long, env = "ENCLOS_AUDIT_BYTES_MAX", default_value_t = 32 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(4096..))]
    pub audit_bytes_max: u64,
    /// Full files of the audit log that are kept
    #[arg(long, env = "ENCLOS_AUDIT_FILES_MAX", default_value_t = 7, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub audit_files_max: u32,
}

/// What the audit log may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditBounds {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Full files that are kept beside it.
    pub files_max: u32,
}

impl From<&AuditArgs> for AuditBounds {
    fn from(args: &AuditArgs) -> Self {
        Self { file_bytes_max: args.audit_bytes_max, files_max: args.audit_files_max }
    }
}
