// Package notice holds what recipients are told and who is told it:
// notifications, subscriptions to them, and the state of each delivery.
//
// It owns the vocabulary, which event becomes which FDX notification, where a
// recipient may be called back, and the interfaces that stores keep. It must
// not know HTTP, SQL, keys or job queues.
//
// Specs: FDX notifications (Notification, NotificationSubscription). FDX
// defines neither signature nor retry nor order; docs/notifications.md says
// what Headgate promises.
package notice
