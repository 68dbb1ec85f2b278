/** Shows how far an epoch is: as a bar that moves on a terminal, as lines of text elsewhere. */
import { SingleBar } from 'cli-progress';

/** What is shown beside the bar. */
export interface Figures {
  readonly loss: number;
  readonly accuracy: number;
}

export interface Progress {
  /** So many of the epoch's images are done. */
  update(done: number, figures: Figures): void;
  /** The epoch is over, or was interrupted. Gives the terminal back as it was. */
  stop(): void;
}

const isTerminal = process.stdout.isTTY && process.env.TERM !== 'dumb';

/** @param title what begins the line, such as `Epoch 1/3` */
export function startProgress(title: string, total: number): Progress {
  const start = performance.now();
  const describe = (done: number, { loss, accuracy }: Figures) => {
    const speed = Math.round((1000 * done) / (performance.now() - start));
    return `loss ${loss.toFixed(4)}  accuracy ${percent(accuracy)}  ${speed.toLocaleString('en')} images/s`;
  };
  return (isTerminal ? bar : lines)(title, total, describe);
}

export const percent = (ratio: number): string => `${(100 * ratio).toFixed(2)} %`;

type Show = (title: string, total: number, describe: (done: number, figures: Figures) => string) => Progress;

const bar: Show = (title, total, describe) => {
  const format = `${title} {bar} {percentage} %  {figures}`;
  const single = new SingleBar({
    format,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    stream: process.stdout,
  });
  single.start(total, 0, { figures: '' });
  return {
    update: (done, figures) => single.update(done, { figures: describe(done, figures) }),
    stop: () => single.stop(),
  };
};

const lines: Show = (title, total, describe) => {
  const parts = 5;
  let shown = 0;
  return {
    update(done, figures) {
      const part = Math.floor((parts * done) / total);
      if (part === shown) return;
      shown = part;
      const percentage = String((100 * part) / parts).padStart(3);
      console.log(`${title} ${percentage} %  ${describe(done, figures)}`);
    },
    stop() {},
  };
};
