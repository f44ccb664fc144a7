import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

/**
 * A button that asks once before it acts, in place: no dialog to move to, and a double click cannot confirm, because the
 * answer stands elsewhere than the question. While it acts it cannot be pressed again.
 */
export function ConfirmButton(props: { label: ComponentChildren; question: string; answer: string; tone?: 'bad' | 'good'; act: () => Promise<void> }) {
  const [step, setStep] = useState<'rest' | 'asked' | 'acting'>('rest');
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (step === 'asked') keep.current?.focus();
  }, [step]);
  if (step === 'rest') {
    return (
      <button type="button" class={`button ${props.tone ?? ''}`} onClick={() => setStep('asked')}>
        {props.label}
      </button>
    );
  }
  const act = (): void => {
    setStep('acting');
    void props.act().finally(() => setStep('rest'));
  };
  return (
    <span class="confirm" role="group" aria-label={props.question}>
      <span class="question">{props.question}</span>
      <button type="button" class="button" ref={keep} disabled={step === 'acting'} onClick={() => setStep('rest')}>
        No
      </button>
      <button type="button" class={`button strong ${props.tone ?? ''}`} disabled={step === 'acting'} onClick={act}>
        {step === 'acting' ? 'Asking the server…' : props.answer}
      </button>
    </span>
  );
}
