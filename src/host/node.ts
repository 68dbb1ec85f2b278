/** Node's own modules, found at run time: the library imports none of them, so that it loads anywhere. */

type GetBuiltinModule = (name: string) => unknown;

interface NodeProcess {
  readonly platform?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly versions?: Readonly<Record<string, string | undefined>>;
  readonly config?: { readonly variables?: Readonly<Record<string, unknown>> };
  readonly getBuiltinModule?: GetBuiltinModule;
}

const node = (globalThis as { process?: NodeProcess }).process;

/** A module of Node's, or undefined in another host. */
export const builtinModule = <T>(name: string): T | undefined => node?.getBuiltinModule?.(name) as T | undefined;

/** An environment variable, or undefined where there are none. */
export const environment = (name: string): string | undefined => node?.env?.[name];

/** The version of a part of Node, or undefined. */
export const version = (part: string): string | undefined => node?.versions?.[part];

/** How Node was built: a variable of its configuration, or undefined. */
export const variable = (name: string): unknown => node?.config?.variables?.[name];

/** The operating system as Node names it, or undefined in another host. */
export const platform: string | undefined = node?.platform;
