// Advisory locks, by which processes that use one database keep out of each other's way. The first key is "BLEp".
//
// In this order: writers, the row of age, rows of devices by their ids, hashes in order, and at the end rows of places and then of senders by
// their ids. A device's runs, holes, turns and stretches are under the lock of its row. Only lines that are stored one by one, because one of
// them was refused, do not follow this order: when two transactions wait for each other, the server undoes one after a second (deadlock_timeout),
// and that is done again.
#pragma once

namespace ble {

// To create or change the schema. A lock of the session: a transaction that begins with it sees all that was done before.
constexpr char lock_schema[] = "SELECT pg_advisory_lock(1112294768, 1)";
constexpr char unlock_schema[] = "SELECT pg_advisory_unlock(1112294768, 1)";
// Writers share it; alone, to delete rows that others may remember.
constexpr char share_writing[] = "SELECT pg_advisory_xact_lock_shared(1112294768, 2)";
constexpr char write_alone[] = "SELECT pg_advisory_xact_lock(1112294768, 2)";
// To add what is pending to the advertisers.
constexpr char try_fold[] = "SELECT pg_try_advisory_xact_lock(1112294768, 3)";
constexpr char wait_to_fold[] = "SELECT pg_advisory_xact_lock(1112294768, 3)";
// To merge batches into the rollups: one at a time, beside other writers or alone.
constexpr char try_roll_up[] = "SELECT pg_try_advisory_xact_lock(1112294768, 5)";
constexpr char wait_to_roll_up[] = "SELECT pg_advisory_xact_lock(1112294768, 5)";
// To make or drop tables of detections.
constexpr char change_partitions[] = "SELECT pg_advisory_xact_lock(1112294768, 4)";

}  // namespace ble
