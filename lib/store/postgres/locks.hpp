// Advisory locks, by which processes that use one database keep out of each other's way. The first key is "BLEp".
//
// In this order: writers, the row of age, rows of devices by their ids, hashes in order, and at the end rows of places and then of senders by
// their ids. A device's runs, holes, turns and stretches are under the lock of its row. Only lines that are stored one by one, since one of
// them was refused, are out of this order: the server undoes one of two that wait for each other after a second (deadlock_timeout), and it
// is done again.
#pragma once

namespace ble {

// Who creates or changes the schema is alone. Of the session: a transaction that begins with the lock sees all that was done before.
constexpr char lock_schema[] = "SELECT pg_advisory_lock(1112294768, 1)";
constexpr char unlock_schema[] = "SELECT pg_advisory_unlock(1112294768, 1)";
// Those who write share it; who deletes rows that others may remember is alone.
constexpr char share_writing[] = "SELECT pg_advisory_xact_lock_shared(1112294768, 2)";
constexpr char write_alone[] = "SELECT pg_advisory_xact_lock(1112294768, 2)";
// Who adds what is pending to the advertisers.
constexpr char try_fold[] = "SELECT pg_try_advisory_xact_lock(1112294768, 3)";
constexpr char wait_to_fold[] = "SELECT pg_advisory_xact_lock(1112294768, 3)";
// Who merges batches into the rollups: one at a time, who writes with others or is alone.
constexpr char try_roll_up[] = "SELECT pg_try_advisory_xact_lock(1112294768, 5)";
constexpr char wait_to_roll_up[] = "SELECT pg_advisory_xact_lock(1112294768, 5)";
// Who makes or drops tables of detections.
constexpr char change_partitions[] = "SELECT pg_advisory_xact_lock(1112294768, 4)";

}  // namespace ble
