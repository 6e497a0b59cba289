#pragma once

// `holdfast doctor`: compares what is configured with the servers as they run, and names each rule
// that does not hold (guard/doctor_rules.h). On demand, before a deployment, in CI.
//
// Prints for people, or with --json:
//   {"clean","failed","rules",
//    "findings":[{"rule","severity","overridden","consequence","measured","safe"}]}
// One line when all is well. Error Conflict "doctor_failed" when a finding is a `fail`, so that the
// exit code is not 0; a `warn` alone is no error, nor what `doctor.allow` names, of these settings
// or of the `up` that runs on the data.

#include "app/commands.h"
#include "app/settings.h"
#include "guard/doctor_gather.h"
#include "guard/doctor_rules.h"

#include <optional>

namespace holdfast::app {

struct DoctorOptions {
    Target target;
    SettingsInput settings;
    int instances = 0; ///< 0: as many as are seen running, at least one
    int surge = 1;     ///< processes of a new version that start before the old ones end
    std::optional<int> database_cores;
    std::string patroni;     ///< its file, or host:port of its REST API
    std::string command_log; ///< of a `serve` without `up`
    bool json = false;
};

Result<void> doctor(const DoctorOptions& options);

/// What it goes by. Of a running platform the pool's settings are those chosen at run time
/// (pool_settings.h), unless a flag says otherwise.
Result<guard::Facts> doctor_facts(const DoctorOptions& options);
/// What the settings say of the platform to be.
guard::Plan doctor_plan(const Config& config);
/// The role of probes, where `up` has made a password for it, or where the URL names a file that
/// may have one.
std::optional<guard::MonitorLogin> monitor_login(const std::string& data,
                                                 const db::ConnectOptions& url);

} // namespace holdfast::app
