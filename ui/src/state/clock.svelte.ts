/** The one clock that ages on the screen are told by. */
export class Clock {
  #now = $state(Date.now());

  get now() {
    return this.#now;
  }

  start(): () => void {
    const timer = setInterval(() => (this.#now = Date.now()), 1000);
    return () => clearInterval(timer);
  }
}
