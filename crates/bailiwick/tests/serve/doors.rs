//! Who may come in, and what is said at the doors.
