#pragma once

// Faults: the acts that scenarios are made of (stage.h says what an act is and what it owes).
//
// How each proves that it took effect:
//   kill         the process, named by pid and start time, is gone from /proc
//   switchover   another node is the primary, by the platform's own state
//   freeze       /proc says stopped for every process of the service, and a session that was open
//                before gets no answer to SELECT 1 for half a second
//   link cut     the standby's receiver is stopped by /proc, and the primary hears nothing of it
//   lock         the server granted it, and others wait for this very backend
//   heavy job    rows rewritten, counted by the server
//   deadlock     the server itself reported 40P01 to one of the two outsiders
//   flood        the server refused one more session with 53300
//   slow commit  a commit of our own takes that long
//   small pool   the kernel says with which settings the process runs
//   slow clients they are connected, and say how many bytes they sent and how many of them were cut
//   partition    all that the platform has connected goes through the relay, which says how many
//                bytes wait in both directions and get nowhere; the pair sees what it should
//   full disk    statvfs says that nothing is free, and the server refuses more pages with 53100
//   full log     likewise; the server itself wrote a PANIC about its log into its own
//   full journal likewise; a serve process wrote that it can't append
//   pool change  the metrics of one process alone say that it runs with other settings
//   acquirer     its fault counters say how many calls were hit
//   damaged page the server itself refuses to read that block of that file, with XX001

#include "drill/stage.h"

namespace holdfast::drill::faults {

using net::Task;

// faults_processes.cc
Task<std::string> kill_primary(Stage& stage);
Task<std::string> kill_standby(Stage& stage);
Task<std::string> switch_over(Stage& stage);
Task<std::string> kill_serve(Stage& stage);
Task<std::string> kill_supervisor(Stage& stage);
Task<std::string> start_supervisor(Stage& stage);
Task<std::string> freeze_primary(Stage& stage);
Task<std::string> freeze_databases(Stage& stage);
Task<std::string> freeze_standby(Stage& stage);
Task<std::string> cut_link(Stage& stage);
Task<std::string> mend_link(Stage& stage);
Task<std::string> thaw(Stage& stage);
Task<std::string> in_sync_again(Stage& stage);

// faults_database.cc
Task<std::string> lock_payments(Stage& stage);
Task<std::string> prove_waiting(Stage& stage);
Task<std::string> unlock_payments(Stage& stage);
Task<std::string> add_old_payments(Stage& stage);
Task<std::string> start_heavy_job(Stage& stage);
Task<std::string> end_heavy_job(Stage& stage);
Task<std::string> slow_commits(Stage& stage);
Task<std::string> usual_commits(Stage& stage);
Task<std::string> start_deadlocks(Stage& stage);
Task<std::string> calm_down(Stage& stage);

// faults_damage.cc
Task<std::string> make_old_payments(Stage& stage);
Task<std::string> damage_page(Stage& stage);
Task<std::string> customers_insist(Stage& stage);
Task<std::string> customers_hear(Stage& stage);
Task<std::string> damage_is_named(Stage& stage);
Task<std::string> mend_page(Stage& stage);
Task<std::string> customers_pay(Stage& stage);

// faults_instances.cc
Task<std::string> instance_joins(Stage& stage);
Task<std::string> pay_at_instance(Stage& stage);
Task<std::string> instance_dies(Stage& stage);
Task<std::string> ask_elsewhere(Stage& stage);
Task<std::string> instance_returns(Stage& stage);
Task<std::string> all_settled(Stage& stage);
Task<std::string> refused_quickly(Stage& stage);

// faults_connections.cc
Task<std::string> flood_connections(Stage& stage);
Task<std::string> end_flood(Stage& stage);
Task<std::string> start_slow_clients(Stage& stage);
Task<std::string> end_slow_clients(Stage& stage);
Task<std::string> prove_small_pool(Stage& stage);
Task<std::string> cut_acquirer(Stage& stage);
Task<std::string> mend_acquirer(Stage& stage);

// faults_network.cc
Task<std::string> stand_between(Stage& stage);
Task<std::string> cut_serve_off(Stage& stage);
Task<std::string> cut_standby_off(Stage& stage);
Task<std::string> isolate_primary(Stage& stage);
Task<std::string> same_primary(Stage& stage);
Task<std::string> other_primary(Stage& stage);
Task<std::string> mend_network(Stage& stage);

// faults_disks.cc
Task<std::string> fill_database_disk(Stage& stage);
Task<std::string> use_up_log(Stage& stage);
Task<std::string> fill_log_disk(Stage& stage);
Task<std::string> prove_log_full(Stage& stage);
Task<std::string> refused_cleanly(Stage& stage);
Task<std::string> taken_again(Stage& stage);
Task<std::string> free_disk(Stage& stage);

// faults_pool.cc
Task<std::string> only_visitors_refused(Stage& stage);
Task<std::string> shrink_pool(Stage& stage);
Task<std::string> pool_as_before(Stage& stage);
Task<std::string> visitors_leave(Stage& stage);

} // namespace holdfast::drill::faults
