/**
 * Every message from the window to the shell passes here, in a frame of its own, before it is encrypted.
 * It is handed on as it is: the commands are typed and check what they are given.
 */
window.__TAURI_ISOLATION_HOOK__ = (payload) => payload;
