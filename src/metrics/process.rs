//! The process as the system sees it, from `/proc`. Nothing is read that grows with the number of
//! sessions.

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The clock ticks a second in `/proc`: 100 on every architecture that we are built for (USER_HZ).
const TICKS: f64 = 100.0;

/// How long a count of open files is believed that has to be made by listing them.
const COUNT_AGAIN: Duration = Duration::from_secs(15);

/// Reads the figures of this process. One is made at the start.
pub(crate) struct Process {
    /// When the process started, in seconds since 1970.
    start: Option<f64>,
    /// The last count of open files, where the system does not tell their number.
    counted: Mutex<Option<(Instant, u64)>>,
}

/// The figures of the process. `None`: the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFigures {
    /// The processor time used, in seconds.
    pub(crate) cpu_secs: Option<f64>,
    /// The resident memory, in bytes.
    pub(crate) resident: Option<u64>,
    /// The address space, in bytes.
    pub(crate) virtual_size: Option<u64>,
    /// The number of open file descriptors.
    pub(crate) open_files: Option<u64>,
    /// The most open file descriptors (soft limit).
    pub(crate) max_files: Option<u64>,
    /// When the process started, in seconds since 1970.
    pub(crate) start_secs: Option<f64>,
}

impl Process {
    /// Looks up when the process started: it does not change.
    pub(crate) fn new() -> Self {
        let booted = || -> Option<f64> {
            let stat = std::fs::read_to_string("/proc/stat").ok()?;
            stat.lines()
                .find_map(|line| line.strip_prefix("btime "))?
                .trim()
                .parse()
                .ok()
        };
        let started = || Some(booted()? + Stat::read()?.started);
        Self { start: started(), counted: Mutex::default() }
    }

    /// Reads the figures of now. It reads files of `/proc`, so it is no work for an async thread.
    pub(crate) fn read(&self) -> ProcessFigures {
        let stat = Stat::read();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| -> Option<u64> {
            let kib = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        };
        ProcessFigures {
            cpu_secs: stat.map(|stat| stat.cpu),
            resident: bytes("VmRSS:"),
            virtual_size: bytes("VmSize:"),
            open_files: self.open_files(),
            max_files: rlimit::Resource::NOFILE.get_soft().ok(),
            start_secs: self.start,
        }
    }

    /// Counts the open files. Linux has told their number as the size of the folder since 6.2;
    /// before it they are listed, and the count is kept for a while.
    fn open_files(&self) -> Option<u64> {
        let folder = Path::new("/proc/self/fd");
        let told = folder.metadata().ok()?.len();
        if told > 0 {
            return Some(told);
        }
        let mut counted = self.counted.lock();
        if let Some((at, count)) = *counted
            && at.elapsed() < COUNT_AGAIN
        {
            return Some(count);
        }
        let count = u64::try_from(folder.read_dir().ok()?.count()).ok()?;
        *counted = Some((Instant::now(), count));
        Some(count)
    }
}

/// The values of `/proc/self/stat` that are used, in seconds.
#[derive(Clone, Copy)]
struct Stat {
    cpu: f64,
    /// From the boot of the system on.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks = |at: usize| -> Option<f64> { Some(fields.get(at)?.parse::<f64>().ok()? / TICKS) };
        // proc_pid_stat(5): utime, stime and starttime are the fields 14, 15 and 22.
        Some(Self { cpu: ticks(11)? + ticks(12)?, started: ticks(19)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_every_figure() {
        let process = Process::new();
        let figures = process.read();
        assert!(figures.cpu_secs.unwrap() >= 0.0);
        assert!(figures.resident.unwrap() > 1 << 20);
        assert!(figures.virtual_size.unwrap() > figures.resident.unwrap());
        assert!(figures.max_files.unwrap() >= figures.open_files.unwrap());
        let now = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        assert!((figures.start_secs.unwrap() - now).abs() < 3600.0, "{figures:?} {now}");
        let listed = u64::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
        // Other tests open files meanwhile.
        assert!(figures.open_files.unwrap().abs_diff(listed) < 200, "{figures:?} {listed}");
    }
}
