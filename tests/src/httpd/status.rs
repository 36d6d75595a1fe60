//! A status page for the scripted upstream.

/// What a busy httpd with the event MPM prints for machines; every figure is invented.
pub const STATUS_PAGE: &str = "\
www.example.org
ServerVersion: Apache/2.4.62 (Debian) OpenSSL/3.0.15
ServerMPM: event
Server Built: 2026-02-03T04:05:06
CurrentTime: Sunday, 22-Nov-2026 10:11:12 UTC
RestartTime: Sunday, 22-Nov-2026 09:00:00 UTC
ParentServerConfigGeneration: 3
ParentServerMPMGeneration: 2
ServerUptimeSeconds: 4272
ServerUptime: 1 hour 11 minutes 12 seconds
Load1: 0.31
Load5: 0.42
Load15: 0.53
Total Accesses: 1234
Total kBytes: 5678
Total Duration: 91011
CPUUser: 1.25
CPUSystem: .5
CPUChildrenUser: 0
CPUChildrenSystem: 0
CPULoad: .0409644
Uptime: 4272
ReqPerSec: .288858
BytesPerSec: 1361.03
BytesPerReq: 4711.73
DurationPerReq: 73.7528
BusyWorkers: 3
GracefulWorkers: 1
IdleWorkers: 46
Processes: 2
Stopping: 0
ConnsTotal: 9
ConnsAsyncWriting: 1
ConnsAsyncKeepAlive: 5
ConnsAsyncClosing: 2
Scoreboard: __WRG_K____..........
";
